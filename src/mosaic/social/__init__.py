"""What people do: posts, replies, feeds, walls, profiles, follows."""
