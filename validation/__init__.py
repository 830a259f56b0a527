"""The validation suite: claims about `spectral_ham`, each measured against an answer from outside the package.

Run it with ``python -m validation``, or ``python -m validation --quick`` for the short form.
"""
