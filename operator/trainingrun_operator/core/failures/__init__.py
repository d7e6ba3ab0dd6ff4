"""Why an attempt failed, and what follows: which pod decides, which failure it is, whether another attempt is made."""
