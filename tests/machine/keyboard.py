"""What a person would press: text to QEMU's key codes, for a US keyboard."""

_PLAIN = {
    " ": "spc", "\n": "ret", "\t": "tab", "-": "minus", "=": "equal", "[": "bracket_left", "]": "bracket_right",
    "\\": "backslash", ";": "semicolon", "'": "apostrophe", "`": "grave_accent", ",": "comma", ".": "dot",
    "/": "slash",
}
_SHIFTED = dict(zip('!@#$%^&*()_+{}|:"~<>?', [
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "minus", "equal", "bracket_left", "bracket_right", "backslash",
    "semicolon", "apostrophe", "grave_accent", "comma", "dot", "slash"]))


def keys_for(character):
    """The key codes to hold down together for one character; KeyError when no key makes it."""
    if character.isascii() and character.isalnum():
        return ["shift", character.lower()] if character.isupper() else [character]
    if character in _SHIFTED:
        return ["shift", _SHIFTED[character]]
    return [_PLAIN[character]]
