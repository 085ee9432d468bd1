"""Keys, signatures, tokens and pins of the client; the only room that imports paramiko and cryptography."""
