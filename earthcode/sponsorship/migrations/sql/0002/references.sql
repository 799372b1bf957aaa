-- Reference numbers, NOR-<year>-<number>: the number never restarts, so a number alone names one request.
CREATE SEQUENCE sponsorship_reference;
