"""How fast Chatsite is, beside others, in one run. Not a part of the product; imports nothing of it."""
