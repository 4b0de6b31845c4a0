"""`ecg-stream download`: fetch databases from PhysioNet."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "databases", nargs="+", metavar="DATABASE", help="name on PhysioNet: mitdb, nstdb, svdb ..."
    )
    parser.epilog = (
        "Files go to the user cache (ECG_STREAM_CACHE moves it). Run the same command again to "
        "continue a download that was cut off; complete files are checked and kept."
    )


def run(args: argparse.Namespace) -> int:
    """Fetch each database and say where it is."""
    from replay.download import fetch_database
    from replay.progress import download_bar

    for database in args.databases:
        with download_bar(database) as progress:
            done = fetch_database(database, progress=progress)
        print(  # noqa: T201
            f"{database}: {len(done.fetched)} files fetched, {len(done.kept)} were complete; "
            f"in {done.folder}"
        )
    return 0
