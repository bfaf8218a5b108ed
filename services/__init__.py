"""The services of the loop. They meet on topics alone; what they share is the chassis and the contract."""
