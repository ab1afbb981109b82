"""Incidents: the state machine, the timeline, the SLA clocks. Later stages of the flow read them."""
