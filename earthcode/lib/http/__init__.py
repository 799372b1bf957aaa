"""What pages and API answer alike: problem documents, and answers that are kept. The one part of ``lib`` that knows HTTP."""
