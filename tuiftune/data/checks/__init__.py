"""What can be wrong with a dataset, one kind of fault a module. Every check is a generator
over a `Subject`.
"""
