"""Other systems measured in the same run: not peers of the product, but what it is to be read beside."""
