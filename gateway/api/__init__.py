"""The HTTP surface: routes, what they read and answer, and the description generated from them."""
