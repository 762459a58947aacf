"""How a final network is called where it is not the usual one."""


def other_form(final_network):
    """List of words: which final network it is (--final-network, None where there is no choice), if not the usual one."""
    return [] if final_network in (None, "searched") else [f"final network: {final_network}"]
