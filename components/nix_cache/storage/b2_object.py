"""A path in the states of version 0.1.0, which stays importable for good."""

from nix_cache.dynamic.b2_text_object import B2TextObjectProvider as _TextObjectProvider

__all__ = ["_TextObjectProvider"]
