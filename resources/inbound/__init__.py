"""What comes back from people: keys pressed in a call, answers by SMS, buttons in chat, links in messages (E2)."""
