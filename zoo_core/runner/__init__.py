"""Runs trials. Who calls whom, in the parent process and in the worker:

parent  request                    reads and validates the options of `zoo bench`: pair_recipe
        run                        plans, checks and runs a request: plan, preflight, executor, recording
        plan, planned_trial        list the trials to run, with their experiment keys
        preflight                  finds trials that cannot run before the first one starts: executor
        executor                   starts a worker for each job and receives its events
        recording, record_facts    make the record of a trial
worker  worker                     does one job of `events` by calling its handler: trial or handlers
        trial                      runs one trial: build, training, length, inference, artifacts, checkpoints
        handlers                   do the other jobs: tryout, saved_models, inspection
"""
