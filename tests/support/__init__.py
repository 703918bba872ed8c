"""What the tests share: fakes of the ports, builders, and the services they run against."""
