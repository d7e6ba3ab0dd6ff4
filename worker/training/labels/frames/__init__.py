"""The frame of a document's boxes: what they count from. Which frames there are, and which one a document has."""
