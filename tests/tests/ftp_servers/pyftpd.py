"""pyftpdlib on the addresses given, with a log in its own words at /var/log/pyftpd.log."""

import logging
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

PASSWORD, *ADDRESSES = sys.argv[1:]

logging.basicConfig(filename="/var/log/pyftpd.log", level=logging.INFO, format="%(message)s")

authorizer = DummyAuthorizer()
authorizer.add_user("alice", PASSWORD, "/home/alice", perm="elradfmwMT")
authorizer.add_anonymous("/srv/ftp")


class Handler(FTPHandler):
    banner = "Welcome to a server\r\n 220 with a blank is not the end of this\r\n230-nor is this\r\n331-nor that, but this"
    auth_failed_timeout = 0


Handler.authorizer = authorizer
loop = IOLoop.instance()
servers = [FTPServer((address, 21), Handler, ioloop=loop) for address in ADDRESSES]
servers[0].serve_forever()
