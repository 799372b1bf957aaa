"""Messages to people: in the site, and by e-mail.

Always holds: a message is a row first, written in the transaction of what it tells of; e-mail goes out after commit.
The same key makes one message. A dead mail server delays mail and loses or repeats nothing, and never fails a page.

People are known here by their public id only: this package does not know ``identity``.
"""
