"""beknown: who did what on your site, told by Python in the visitor's browser."""
