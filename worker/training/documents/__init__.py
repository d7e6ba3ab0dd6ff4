"""PDF documents: their names, passwords, page images, words, and the reasons for quarantining one."""
