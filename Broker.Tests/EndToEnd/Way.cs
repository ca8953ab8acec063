namespace Broker.Tests.EndToEnd;

/// <summary>The ways in which a service can write its orders and their events in one transaction.</summary>
public enum Way
{
    SaveChanges,
    EntityFrameworkTransaction,
    DbTransaction,
    Dapper,
}
