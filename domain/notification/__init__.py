"""Who is told what, when and how: tiers, escalation, on-call, messages. Delivery itself is the business of the adapters."""
