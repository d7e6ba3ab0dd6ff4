"""The ranks of one training: how many there are, how they are started, how they communicate."""
