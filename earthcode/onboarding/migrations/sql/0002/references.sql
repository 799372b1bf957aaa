-- Reference numbers, APP-<year>-<number>: the number never restarts, so a number alone names one application.
CREATE SEQUENCE onboarding_reference;
