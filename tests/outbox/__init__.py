"""A message that was once typed arrives once, whatever the line does: tabs without a page against a real server."""
