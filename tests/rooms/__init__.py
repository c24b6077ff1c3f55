"""Tests of what the chat means: brokers, joins and the vocabulary, with clocks and sockets held in the hand."""
