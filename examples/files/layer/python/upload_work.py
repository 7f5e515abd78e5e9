"""What a completed upload means for the worker. Shared as a layer."""


def work_of(image):
    """The message for a request; KeyError when it lacks what an analysis needs: the poison of this story."""
    return {
        "analysisRequestId": image["analysisRequestId"]["S"],
        "requestorId": image["requestorId"]["S"],
        "fileName": image["fileName"]["S"],
    }
