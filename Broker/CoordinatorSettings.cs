namespace Broker;

/// <summary>A coordinator of transactions over several sources, as a service has it: the worker recovers for it and shows it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Participants">The sources that take part, by the names that the service gives them.</param>
/// <param name="LastResource">The one among them that does not prepare; null if there is none, or if its engine says so.</param>
/// <param name="DecideIn">The one among them that holds the decisions; null for the default.</param>
/// <param name="Etcd">Where etcd is, if it holds the decisions.</param>
internal sealed record CoordinatorSettings(string Name, IReadOnlyList<string> Participants, string? LastResource, string? DecideIn, string? Etcd);
