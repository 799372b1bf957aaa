-- Reference numbers of quotations, Q-<year>-<number>: the number never restarts, so a number alone names one quotation.
CREATE SEQUENCE sponsorship_quotation_reference;
