"""The serializers of this package, one module a library; a library is imported only in `write` and `read`."""
