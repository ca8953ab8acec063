namespace Outbox.Sql;

/// <summary>A row of the table <c>outbox_schema</c>: a version that the tables were brought to. Mapped so that migrations write it.</summary>
internal sealed class SchemaVersion
{
    /// <summary>The version of the tables that this assembly works with. Version 1 had no <c>outbox_schema</c>, no archive and no index for the inbox's retention; version 2 no relays, no settings, no scheduled rows and no dead letters of relays; version 3 no deferred messages, no record of what operators did and no receipts; version 4 no numbers of keys in the inbox, no status of consumers and no way to find an archived message by its id; version 5 no locks of services, no transactions over several databases and no sagas.</summary>
    public const int Current = 6;

    public int Version { get; set; }

    public DateTime AppliedAt { get; set; }
}
