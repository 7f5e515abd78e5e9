"""Facts about AWS services that their public models do not contain; used by generate_shapes.py."""

SERVICES = ["dynamodb", "dynamodbstreams", "lambda", "s3", "sqs", "sts", "iam", "logs", "sns", "cloudwatch",
            "cloudformation", "ssm", "kms", "ecr", "events", "cloudtrail", "xray"]

# Of these services only the operations named here are in the tables (the rest of SSM is a megabyte that nobody calls).
ONLY_OPERATIONS = {
    "ssm": ["PutParameter", "GetParameter", "GetParameters", "GetParametersByPath", "GetParameterHistory",
            "DeleteParameter", "DeleteParameters", "DescribeParameters", "LabelParameterVersion", "AddTagsToResource",
            "RemoveTagsFromResource", "ListTagsForResource"],
    "kms": ["CreateKey", "DescribeKey", "ListKeys", "UpdateKeyDescription", "EnableKey", "DisableKey",
            "EnableKeyRotation", "DisableKeyRotation", "GetKeyRotationStatus", "GetKeyPolicy", "PutKeyPolicy",
            "ListKeyPolicies", "ScheduleKeyDeletion", "CancelKeyDeletion", "CreateAlias", "UpdateAlias", "DeleteAlias",
            "ListAliases", "TagResource", "UntagResource", "ListResourceTags", "Encrypt", "Decrypt"],
    "ecr": ["CreateRepository", "DescribeRepositories", "DeleteRepository", "PutLifecyclePolicy", "GetLifecyclePolicy",
            "DeleteLifecyclePolicy", "SetRepositoryPolicy", "GetRepositoryPolicy", "DeleteRepositoryPolicy",
            "PutImageTagMutability", "PutImageScanningConfiguration", "TagResource", "UntagResource",
            "ListTagsForResource", "DescribeImages", "GetAuthorizationToken"],
    "events": ["PutRule", "DescribeRule", "ListRules", "DeleteRule", "EnableRule", "DisableRule", "PutTargets",
               "RemoveTargets", "ListTargetsByRule", "ListRuleNamesByTarget", "PutEvents", "TestEventPattern",
               "TagResource", "UntagResource", "ListTagsForResource"],
    "cloudtrail": ["LookupEvents"],
    "xray": ["PutTraceSegments", "PutTelemetryRecords", "GetTraceSummaries", "BatchGetTraces", "GetSamplingRules",
             "GetSamplingTargets"],
}

# Members of the model's metadata that differ from it or are missing.
MODEL_OVERRIDES = {
    "sqs": {"xmlNamespace": "http://queue.amazonaws.com/doc/2012-11-05/"},
    "s3": {"xmlNamespace": "http://s3.amazonaws.com/doc/2006-03-01/"},
    "cloudwatch": {"protocol": "json"},  # of its three (CBOR, JSON, query) the one that the tables speak of
}

# Prefix of the error names in JSON answers.
ERROR_NAMESPACES = {
    "dynamodb": "com.amazonaws.dynamodb.v20120810",
    "dynamodbstreams": "com.amazonaws.dynamodb.v20120810",
    "sqs": "com.amazonaws.sqs",
}

# In which order the service prints an enum's values, where that is recorded.
ENUM_ORDER = {
    "EventSourcePosition": ["LATEST", "AT_TIMESTAMP", "TRIM_HORIZON"],
    "StreamViewType": ["OLD_IMAGE", "KEYS_ONLY", "NEW_AND_OLD_IMAGES", "NEW_IMAGE"],
    "ScalarAttributeType": ["B", "N", "S"],
    "ReturnValue": ["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"],
    "ReturnConsumedCapacity": ["INDEXES", "TOTAL", "NONE"],
    "ReturnItemCollectionMetrics": ["SIZE", "NONE"],
    "Select": ["SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"],
}

# Codes of errors in the query protocol, for services whose model lists only JSON.
_SQS = "AWS.SimpleQueueService."
QUERY_CODES = {
    "sqs": {
        "BatchEntryIdsNotDistinct": _SQS + "BatchEntryIdsNotDistinct",
        "BatchRequestTooLong": _SQS + "BatchRequestTooLong",
        "EmptyBatchRequest": _SQS + "EmptyBatchRequest",
        "InvalidBatchEntryId": _SQS + "InvalidBatchEntryId",
        "MessageNotInflight": _SQS + "MessageNotInflight",
        "PurgeQueueInProgress": _SQS + "PurgeQueueInProgress",
        "QueueDeletedRecently": _SQS + "QueueDeletedRecently",
        "QueueDoesNotExist": _SQS + "NonExistentQueue",
        "QueueNameExists": "QueueAlreadyExists",
        "TooManyEntriesInBatchRequest": _SQS + "TooManyEntriesInBatchRequest",
        "UnsupportedOperation": _SQS + "UnsupportedOperation",
    },
}

# SQS checks names of attributes itself ("Unknown Attribute X."), and ReceiveMessage's AttributeNames takes those of
# messages (SentTimestamp), which the model's enum does not have.
SQS_OPEN_ENUMS = ["QueueAttributeName", "MessageSystemAttributeName", "MessageSystemAttributeNameForSends"]

# Names in SQS's query protocol: of list elements; of map members, keys and values.
SQS_NAMES = {
    "AWSAccountIdList": "AWSAccountId", "ActionNameList": "ActionName", "AttributeNameList": "AttributeName",
    "MessageSystemAttributeList": "MessageSystemAttributeName", "MessageAttributeNameList": "MessageAttributeName",
    "TagKeyList": "TagKey", "QueueUrlList": "QueueUrl", "MessageList": "Message",
    "StringList": "StringListValue", "BinaryList": "BinaryListValue",
    "SendMessageBatchRequestEntryList": "SendMessageBatchRequestEntry",
    "DeleteMessageBatchRequestEntryList": "DeleteMessageBatchRequestEntry",
    "ChangeMessageVisibilityBatchRequestEntryList": "ChangeMessageVisibilityBatchRequestEntry",
    "SendMessageBatchResultEntryList": "SendMessageBatchResultEntry",
    "DeleteMessageBatchResultEntryList": "DeleteMessageBatchResultEntry",
    "ChangeMessageVisibilityBatchResultEntryList": "ChangeMessageVisibilityBatchResultEntry",
    "BatchResultErrorEntryList": "BatchResultErrorEntry",
    "ListMessageMoveTasksResultEntryList": "ListMessageMoveTasksResultEntry",
    "QueueAttributeMap": ("Attribute", "Name", "Value"),
    "MessageSystemAttributeMap": ("Attribute", "Name", "Value"),
    "MessageBodyAttributeMap": ("MessageAttribute", "Name", "Value"),
    "MessageBodySystemAttributeMap": ("MessageSystemAttribute", "Name", "Value"),
    "TagMap": ("Tag", "Key", "Value"),
}

# Errors that a service answers but does not declare: name -> HTTP status.
_JSON = {"ValidationException": 400, "SerializationException": 400, "UnknownOperationException": 400,
         "AccessDeniedException": 400, "ThrottlingException": 400}
EXTRA_ERRORS = {
    "dynamodb": _JSON,
    "dynamodbstreams": _JSON,
    "lambda": dict(_JSON, AccessDeniedException=403),
    "sqs": {"AccessDeniedException": 403, "InvalidParameterValue": 400, "InvalidParameterCombination": 400,
            "MissingParameter": 400, "InvalidAttributeValue": 400, "InternalFailure": 500, "InvalidAction": 400},
    "sts": {"ValidationError": 400, "AccessDenied": 403, "InvalidClientTokenId": 403},
    "iam": {"ValidationError": 400, "AccessDenied": 403, "InvalidClientTokenId": 403, "Throttling": 400},
    "logs": dict(_JSON),
    "sns": {"ValidationError": 400, "InvalidClientTokenId": 403, "Throttling": 400, "InternalFailure": 500},
    "ssm": dict(_JSON),
    "kms": dict(_JSON),
    "ecr": dict(_JSON),
    "events": dict(_JSON),
    "cloudtrail": dict(_JSON),
    "xray": dict(_JSON),
    "cloudwatch": {"ValidationError": 400, "InvalidAction": 400},
    "cloudformation": {"ValidationError": 400, "InvalidAction": 400, "Throttling": 400},
    "s3": {
        "AuthorizationHeaderMalformed": 400, "AuthorizationQueryParametersError": 400, "BadDigest": 400,
        "BucketNotEmpty": 409, "EntityTooLarge": 400, "EntityTooSmall": 400, "IllegalLocationConstraintException": 400,
        "IncompleteBody": 400, "InternalError": 500, "InvalidAccessKeyId": 403, "InvalidArgument": 400,
        "InvalidBucketName": 400, "InvalidBucketState": 409, "InvalidDigest": 400,
        "InvalidEncryptionAlgorithmError": 400, "InvalidLocationConstraint": 400, "InvalidPart": 400,
        "InvalidPartNumber": 416, "InvalidPartOrder": 400, "InvalidRange": 416, "InvalidStorageClass": 400,
        "InvalidTag": 400, "InvalidTargetBucketForLogging": 400, "InvalidURI": 400, "KeyTooLongError": 400,
        "MalformedACLError": 400, "MalformedPolicy": 400, "MalformedXML": 400, "MaxMessageLengthExceeded": 400,
        "MetadataTooLarge": 400, "MethodNotAllowed": 405, "MissingContentLength": 411, "MissingRequestBodyError": 400,
        "NoSuchBucketPolicy": 404, "NoSuchCORSConfiguration": 404, "NoSuchConfiguration": 404,
        "NoSuchLifecycleConfiguration": 404, "NoSuchPublicAccessBlockConfiguration": 404, "NoSuchTagSet": 404,
        "NoSuchVersion": 404, "NoSuchWebsiteConfiguration": 404, "NotFound": 404, "NotImplemented": 501,
        "NotModified": 304, "ObjectLockConfigurationNotFoundError": 404, "OperationAborted": 409,
        "OwnershipControlsNotFoundError": 404, "PermanentRedirect": 301, "PreconditionFailed": 412,
        "ReplicationConfigurationNotFoundError": 404, "RequestTimeout": 400, "RequestTimeTooSkewed": 403,
        "ServerSideEncryptionConfigurationNotFoundError": 404, "ServiceUnavailable": 503, "SignatureDoesNotMatch": 403,
        "SlowDown": 503, "TooManyBuckets": 400, "UnexpectedContent": 400, "XAmzContentChecksumMismatch": 400,
        "XAmzContentSHA256Mismatch": 400,
    },
}
