"""Runs trials. Who calls whom, in the parent process and in the worker:

    parent  request                    reads and validates the options of `zoo bench`
            run                        plans, runs every trial, writes the records: plan, executor, recording
            plan                       lists the trials to run and makes the experiment keys
            executor                   starts a worker for each job and receives its events
            recording, record_facts    make the record of a trial
    worker  worker                     does one job of `events` by calling its handler: trial or handlers
            trial                      runs one trial: build, training, length, artifacts, checkpoints
            handlers                   do the other jobs: tryout, saved_models
"""
