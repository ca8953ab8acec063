using System.Reflection;
using Microsoft.Data.SqlClient;

namespace Broker.Tests.Support;

/// <summary>The driver's own exception for an error of the server, or of the way to it. The driver lets nobody make one, so this goes through its back door.</summary>
internal static class SqlServerError
{
    private const BindingFlags Hidden = BindingFlags.Static | BindingFlags.Instance | BindingFlags.NonPublic;

    public static SqlException Of(int number, string message = "message", Exception? inner = null)
    {
        var errors = (SqlErrorCollection)Activator.CreateInstance(typeof(SqlErrorCollection), nonPublic: true)!;
        var constructor = typeof(SqlError).GetConstructor(Hidden, [typeof(int), typeof(byte), typeof(byte), typeof(string), typeof(string), typeof(string), typeof(int), typeof(Exception), typeof(int)])!;
        typeof(SqlErrorCollection).GetMethod("Add", Hidden)!.Invoke(errors, [constructor.Invoke([number, (byte)1, (byte)16, "server", message, "", 1, inner, -1])]);
        var create = typeof(SqlException).GetMethod("CreateException", Hidden, [typeof(SqlErrorCollection), typeof(string), typeof(Guid), typeof(Exception)])!;
        return (SqlException)create.Invoke(null, [errors, "16.0", Guid.Empty, inner])!;
    }
}
