"""Answers whoever speaks to it: `python examples/bot.py HOME`."""

import asyncio
import sys

from mosaic import Client


async def main(home: str) -> None:
    """Counts the words of what it is told."""
    bot = Client.home(home, person="bot", make=True, serve=True)
    async with bot, bot.mentions() as mentions:
        print(bot.key, flush=True)
        async for post in mentions:
            await bot.reply(post, f"{post.author_name}, that were {len(post.text.split())} words.")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
