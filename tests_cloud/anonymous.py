"""Importing this spares Beam the half minute in which it looks for an account at Google.

The store on this machine knows no accounts. Workers in processes of their own import this because
of the flag ``--beam_plugins``.
"""

from apache_beam.internal.gcp import auth

auth._Credentials._credentials_init = True
