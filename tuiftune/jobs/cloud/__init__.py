"""A run on a machine that SkyPilot rents: started by its `sky`, followed through the run's bucket."""
