"""People are told by HTTP: news out of Events, three formats, a signature, and a sender that comes back to a sink that failed."""
