"""The requests that clients send, as msgspec Structs, and the rules that no type can express."""
