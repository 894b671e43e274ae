"""What a self-hosted machine needs to take jobs of the fleet: its files, its service, its checks, its weights."""
