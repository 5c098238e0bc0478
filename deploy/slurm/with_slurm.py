"""Run an insarray command with workers that Slurm starts.

    python with_slurm.py [options] -- invert FILES OUT.zarr ...

The scheduler is in this process, so start it where it may stay for as long as the jobs take: in a small job of its own
(``sbatch --cpus-per-task 1 --mem 4G --wrap "python with_slurm.py ..."``) or in tmux on a login node. Scheduler and
workers speak TLS with certificates made for this run alone: without them anybody on the network could run code as you.
The same command again resumes what was interrupted. Needs ``pip install dask-jobqueue cryptography``.
"""

import argparse
import os
import signal
import sys

import dask
from dask_jobqueue import SLURMCluster
from distributed.security import Security

from insarray.__main__ import main


def arguments() -> argparse.Namespace:
    """What to ask Slurm for, and the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=4, help="number of Slurm jobs")
    parser.add_argument("--cores", type=int, default=4, help="processors of a job; as many blocks at a time")
    parser.add_argument(
        "--memory", default="16GiB", help="of a job: what --dry-run --workers CORES says, and some more"
    )
    parser.add_argument("--walltime", default="04:00:00", help="a job that is over is replaced")
    parser.add_argument("--partition", help="default: that of the cluster")
    parser.add_argument("--account", help="who pays")
    parser.add_argument("--interface", help="network between the nodes, such as ib0")
    parser.add_argument("--local", default=None, help="fast local disk of the nodes, such as $TMPDIR")
    parser.add_argument("--logs", default="slurm-logs", help="folder for the output of the jobs")
    parser.add_argument("--directive", action="append", default=[], help="more for #SBATCH, such as --constraint=avx2")
    parser.add_argument("--show", action="store_true", help="print the job's script and stop")
    parser.add_argument("command", nargs="+", help="after --: a command of insarray without the word insarray")
    return parser.parse_args()


def cluster(given: argparse.Namespace, security: Security) -> SLURMCluster:
    """A cluster without workers yet; the nodes see the working directory, where the certificates are for the time being."""
    return SLURMCluster(
        queue=given.partition,
        account=given.account,
        cores=given.cores,
        processes=1,
        memory=given.memory,
        walltime=given.walltime,
        interface=given.interface,
        local_directory=given.local,
        log_directory=given.logs,
        job_extra_directives=given.directive,
        job_script_prologue=["umask 077"],
        worker_extra_args=["--preload", "insarray.preload"],
        death_timeout=300,  # the first worker on a machine compiles the kernels before it reports
        security=security,
        shared_temp_directory=os.getcwd(),
    )


def client_settings(security: Security) -> dict[str, object]:
    """What makes a Dask client of this process use the same certificates."""
    tls = security.get_tls_config_for_role("client")
    return {
        "distributed.comm.require-encryption": True,
        "distributed.comm.tls.ca-file": tls["ca_file"],
        "distributed.comm.tls.client.cert": tls["cert"],
        "distributed.comm.tls.client.key": tls["key"],
    }


def stop(*_: object) -> None:
    """End as after Ctrl-C, so that the jobs are cancelled and the store is left in order."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    given = arguments()
    signal.signal(signal.SIGTERM, stop)  # Slurm sends it before the time of this process is over
    security = Security.temporary()
    with (
        cluster(given, security) as slurm,
        dask.config.set(client_settings(security)),
    ):
        if given.show:
            print(slurm.job_script())
            sys.exit()
        slurm.adapt(minimum_jobs=given.jobs, maximum_jobs=given.jobs)  # keeps the number: a cancelled job is replaced
        sys.argv = ["insarray", *given.command, "--scheduler", slurm.scheduler_address]
        main()
