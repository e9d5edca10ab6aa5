"""A program for the supervisor's tests: serves HTTP 200, or misbehaves as it is told."""

import http.server
import signal
import sys


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: only what a test asks for is printed."""


def main() -> None:
    """``stand_in.py PORT [stubborn | broken | loud]``."""
    port, *manner = sys.argv[1:]
    if manner == ["broken"]:
        print("the model is missing", flush=True)
        sys.exit(3)
    if manner == ["stubborn"]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if manner == ["loud"]:
        print('{"level": "INFO", "message": "quiet words"}', flush=True)
        print('{"level": "WARNING", "message": "loud words"}', flush=True)
    http.server.HTTPServer(("127.0.0.1", int(port)), _Handler).serve_forever()


if __name__ == "__main__":
    main()
