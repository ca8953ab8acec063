namespace Broker.Dashboard.Security;

/// <summary>What a body is.</summary>
internal enum PayloadKind
{
    /// <summary>There is none.</summary>
    Empty,

    /// <summary>JSON, indented.</summary>
    Json,

    /// <summary>Other text, as it is.</summary>
    Text,

    /// <summary>Other bytes, in hexadecimal.</summary>
    Binary,

    /// <summary>Not shown: something has to be masked, and it cannot be found in what is no JSON.</summary>
    Hidden,
}
