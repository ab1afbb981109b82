"""Finding what is wrong with an installation: each check looks at one thing and says how to mend it. Nothing is changed."""
