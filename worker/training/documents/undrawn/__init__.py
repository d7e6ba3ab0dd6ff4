"""What is missing in a page's picture although the PDF has it: images that cannot be decoded, glyphs without a font."""
