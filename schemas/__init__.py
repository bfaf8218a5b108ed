"""The contract: every noun that crosses a topic, the topic catalogue, and CloudEvents in both directions.

Nothing in here imports anything else of this project, so any program may take these models as they are.
"""
