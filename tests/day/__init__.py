"""A day of mixed traffic: every channel at once, each with its bad hours, and the book equal to the providers at last.

`people` are who writes, by which ways; `providers` are real servers and twins with the hands that people need on the
other side; `day` moves the clock hour by hour, lets things happen, loses, repeats and delays what is posted, takes each
provider away for some hours and our own door for one, and says at the end what differs. Everything follows from a seed.
"""
