"""What other systems are told: signed messages to endpoints, and a line in a team's channel.

kinds.py      which messages there are, and which events of the history they are made of
endpoints.py  where they go: what an admin adds, changes, and sends again
payloads.py   what a message says
verifying.py  for receivers: whether a message is the desk's, and new
posting.py    one request, to a public address, with every limit
schedule.py   when to try again
sending.py    the sender beside a worker
channels.py   Slack, Teams, e-mail: grouped lines of text
"""
