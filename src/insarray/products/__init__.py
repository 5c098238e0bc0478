"""What a user asks for, each in the same steps: check, plan, map over blocks, describe."""
