"""A folder of drivers that NAPALM takes before its own, for tests alone: netconfd in the place of IOS XR."""
